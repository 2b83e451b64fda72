# An AP's first instructions.
#
# On entry: real mode, CS:IP = the SIPI's vector << 8 : 0, interrupts off, whatever INIT left in
# the registers; the bytes from trampoline_begin to trampoline_end were copied to that page, which
# lies in the first 64 KiB. The BSP has filled the table of APIC IDs.
# Touches: no memory at all before the AP stands on its own stack, so any number of APs may be
# here at once, without a lock.
# On exit: 64-bit mode on the BSP's page tables, RSP = top of its own stack, RDI = its CPU index,
# RSI = the TSC at entry; calls ap_main, which does not return. An AP whose ID is not in the table
# halts for good.

.section .rodata.trampoline, "a"
.code16
.global trampoline_begin
.global trampoline_end
trampoline_begin:
    rdtsc                           # the stamp `entry`, kept in EDI:ESI until there is a stack
    movl %eax, %esi
    movl %edx, %edi
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl {page} + trampoline_gdt_pointer - trampoline_begin
    movl $(CR0_PE | CR0_ET), %eax
    movl %eax, %cr0
    ljmpl $SELECTOR_CODE32, $ap_start32
    .balign 4
trampoline_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
trampoline_end:

.section .text.trampoline, "ax"
.code32
ap_start32:
    FLAT_DATA
    LONG_MODE
    ljmpl $SELECTOR_CODE64, $ap_start64

.code64
ap_start64:
    movl %esi, %r8d                 # R8 = TSC at entry
    shlq $32, %rdi
    orq %rdi, %r8

    # The local APIC's ID: EDX of leaf 0x1F, else of 0x0B, where they have levels (EBX != 0);
    # else bits 31:24 of EBX of leaf 1. (Intel SDM volume 3, "Hierarchical Mapping of Shared
    # Resources".)
    xorl %eax, %eax
    cpuid
    movl %eax, %r9d                 # R9 = highest leaf
    movl $0x1f, %r10d
1:  cmpl %r10d, %r9d
    jb 2f
    movl %r10d, %eax
    xorl %ecx, %ecx
    cpuid
    testl %ebx, %ebx
    jnz 4f
2:  cmpl $0x0b, %r10d
    je 3f
    movl $0x0b, %r10d
    jmp 1b
3:  movl $1, %eax
    cpuid
    movl %ebx, %edx
    shrl $24, %edx
4:
    # Its index is the place of that ID in the table; unused places hold an ID that no CPU has.
    leaq {apic_ids}, %rbx
    xorl %ecx, %ecx
5:  cmpl %edx, (%rbx, %rcx, 4)
    je 6f
    incl %ecx
    cmpl ${max_cpus}, %ecx
    jne 5b
7:  cli                             # not one of ours
    hlt
    jmp 7b

6:  movl %ecx, %edi
    incl %ecx
    imulq ${stacks_stride}, %rcx
    leaq {stacks}(%rcx), %rsp
    movq %r8, %rsi
    call {ap_main}
    ud2
