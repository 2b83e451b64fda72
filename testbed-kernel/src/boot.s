# The BSP's first instructions.
#
# Entries, all with interrupts off, flat segments and no stack:
# - pvh_start, named by the PVH note (Xen, docs/misc/pvh.pandoc): 32-bit protected mode, paging off, EBX = physical address of
#   hvm_start_info.
# - multiboot2_start, named by the header's entry-address tag (Multiboot2 specification, "I386 machine state"): the same, EAX =
#   the loader's magic value, EBX = physical address of the boot information.
# - start, the ELF file's entry: 64-bit mode with RSI = boot_params (Linux, Documentation/arch/x86/boot.rst, "64-bit Boot
#   Protocol"), memory mapped one to one; or 32-bit protected mode as multiboot2_start, since kexec-tools ignores the tag.
# Touches: the page tables and the BSP's stack, both in .bss, which the loader has zeroed.
# On exit: 64-bit mode, the first 4 GiB mapped one to one, SSE usable, RSP = top of CPU 0's stack,
# EDI = the protocol, ESI = what the loader passed; calls bsp_main, which does not return.

.set CR0_PE, 1 << 0                 # protected mode
.set CR0_MP, 1 << 1                 # WAIT traps with TS
.set CR0_ET, 1 << 4                 # always 1
.set CR0_NE, 1 << 5                 # x87 errors as exceptions
.set CR0_WP, 1 << 16                # read-only pages hold for the kernel too
.set CR0_PG, 1 << 31                # paging
.set CR0_LONG, CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG
.set CR4_PAE, 1 << 5                # needed by long mode
.set CR4_MCE, 1 << 6                # machine checks as exceptions, not as a reset
.set CR4_OSFXSR, 1 << 9             # SSE: the precompiled core library uses it
.set CR4_OSXMMEXCPT, 1 << 10        # SSE errors as exceptions
.set CR4_LONG, CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT
.set IA32_EFER, 0xc0000080
.set EFER_LME, 1 << 8               # long mode
.set PTE_P, 1 << 0                  # present
.set PTE_W, 1 << 1                  # writable
.set PTE_PWT, 1 << 3                # with PCD: uncacheable
.set PTE_PCD, 1 << 4
.set PTE_PS, 1 << 7                 # a 2 MiB page
.set SELECTOR_CODE32, 0x08
.set SELECTOR_DATA, 0x10
.set SELECTOR_CODE64, 0x18

# The note by which a PVH loader finds its entry.
.section .note.Xen, "a", @note
    .balign 4
    .long 2f - 1f, 4f - 3f, 18      # sizes of name and value; XEN_ELFNOTE_PHYS32_ENTRY
1:  .asciz "Xen"
2:  .balign 4
3:  .quad pvh_start
4:  .balign 4

# The header by which a Multiboot2 loader finds its entry; in the first 32 KiB of the file. No tag keeps EFI's boot services, so
# the loader ends them.
.set MULTIBOOT2_MAGIC, 0xe85250d6
.set MULTIBOOT2_I386, 0
.section .multiboot2, "a"
    .balign 8
multiboot2_header:
    .long MULTIBOOT2_MAGIC, MULTIBOOT2_I386, multiboot2_header_end - multiboot2_header
    .long -(MULTIBOOT2_MAGIC + MULTIBOOT2_I386 + (multiboot2_header_end - multiboot2_header))
    .word 3, 0                      # the entry's address
    .long 12, multiboot2_start
    .balign 8
    .word 0, 0                      # the last tag
    .long 8
multiboot2_header_end:

.section .bss.page_tables, "aw", @nobits
    .balign 4096
pml4:
    .skip 4096
page_directory_pointers:
    .skip 4096
page_directories:
    .skip 4 * 4096

.section .rodata.boot_gdt, "a"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff        # 32-bit code, flat
    .quad 0x00cf93000000ffff        # data, flat
    .quad 0x00af9b000000ffff        # 64-bit code
boot_gdt_end:
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt
protected_mode:
    .long leave_long_mode
    .word SELECTOR_CODE32

# Points every data segment to flat memory. Clobbers AX.
.macro FLAT_DATA
    movw $SELECTOR_DATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
.endm

# Loads CR4, CR3, EFER and CR0 for long mode: EBX = the page tables, EBP = bits to set in EFER; a jump to a 64-bit segment must
# follow. Clobbers EAX, ECX, EDX; uses no stack, since the APs have none yet.
.macro LONG_MODE
    movl $CR4_LONG, %eax
    movl %eax, %cr4
    movl %ebx, %cr3
    movl $IA32_EFER, %ecx
    rdmsr
    orl %ebp, %eax
    wrmsr
    movl $CR0_LONG, %eax            # also clears CD and NW, which INIT may leave set
    movl %eax, %cr0
.endm

.section .text.boot, "ax"
.global start
.global pvh_start
# Bytes that are instructions of both modes: 0x49 is DEC ECX in 32-bit mode, where ECX becomes -1; in 64-bit mode it is a prefix
# of the NOP behind it (an exchange of RAX and R8), and ECX stays 0.
.code32
start:
    cli
    cld
    xorl %ecx, %ecx
    .byte 0x49, 0x90
    testl %ecx, %ecx
    jz linux_start
multiboot2_start:
    cli
    cld
    movl ${multiboot2}, %edi
    movl %ebx, %esi
    cmpl $0x36d76289, %eax          # the magic value of a Multiboot2 loader
    je 1f
    movl ${unknown}, %edi
1:  jmp boot

.code64
linux_start:
    lgdt boot_gdt_pointer
    ljmpl *protected_mode
.code32
leave_long_mode:
    movl %cr0, %eax
    andl $~CR0_PG, %eax
    movl %eax, %cr0
    movl $IA32_EFER, %ecx
    rdmsr
    andl $~EFER_LME, %eax
    wrmsr
    FLAT_DATA
    movl ${linux}, %edi
    jmp boot

pvh_start:
    cli
    cld
    movl ${pvh}, %edi
    movl %ebx, %esi

# EDI and ESI are the arguments of bsp_main.
boot:
    # One to one: PML4[0] -> four page directories of 512 pages of 2 MiB.
    movl $(page_directory_pointers + PTE_P + PTE_W), pml4
    movl $(page_directories + PTE_P + PTE_W), %eax
    xorl %ecx, %ecx
1:  movl %eax, page_directory_pointers(, %ecx, 8)
    addl $4096, %eax
    incl %ecx
    cmpl $4, %ecx
    jne 1b

    movl $(PTE_P + PTE_W + PTE_PS), %eax
    xorl %ecx, %ecx
2:  movl %eax, page_directories(, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $(3 * 512), %ecx           # the last GiB holds devices: uncacheable
    jne 3f
    orl $(PTE_PWT + PTE_PCD), %eax
3:  cmpl $(4 * 512), %ecx
    jne 2b

    lgdt boot_gdt_pointer
    movl $pml4, %ebx
    movl $EFER_LME, %ebp
    LONG_MODE
    ljmpl $SELECTOR_CODE64, $bsp_start64

.code64
bsp_start64:
    FLAT_DATA
    leaq {bsp_stacks} + {bsp_stacks_size}, %rsp
    call bsp_main
    ud2
