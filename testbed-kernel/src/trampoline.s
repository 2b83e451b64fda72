# An AP's first instructions.
#
# On entry: real mode, CS:IP = the SIPI's vector << 8 : 0, interrupts off, whatever INIT left in
# the registers; the bytes from trampoline_begin to trampoline_end were copied to that page. The BSP has filled
# `cpu::TRAMPOLINE`.
# Touches: only reads memory before the AP stands on its own stack, so any number of APs may be here
# at once, without a lock.
# On exit: 64-bit mode on the kernel's page tables, RSP = top of its own stack, RDI = its CPU index,
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
    lgdtl %cs:trampoline_gdt_pointer - trampoline_begin
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
    movl {trampoline} + {page_table}, %ebx
    movl {trampoline} + {efer}, %ebp
    LONG_MODE
    ljmpl $SELECTOR_CODE64, $ap_start64

.code64
ap_start64:
    movl %esi, %r8d                 # R8 = TSC at entry
    shlq $32, %rdi
    orq %rdi, %r8

    # The local APIC's ID, from the leaf that the BSP has found: bits 31:24 of EBX of leaf 1, else EDX.
    movl {trampoline} + {id_leaf}(%rip), %r9d
    movl %r9d, %eax
    xorl %ecx, %ecx
    cpuid
    cmpl ${basic_leaf}, %r9d
    jne 1f
    movl %ebx, %edx
    shrl $24, %edx
1:
    # The CPU's index is the place of that ID in the table.
    movq {trampoline} + {apic_ids}(%rip), %rbx
    movl {trampoline} + {cpus}(%rip), %eax
    xorl %ecx, %ecx
2:  cmpl %edx, (%rbx, %rcx, 4)
    je 4f
    incl %ecx
    cmpl %eax, %ecx
    jne 2b
3:  cli                             # not one of ours
    hlt
    jmp 3b

4:  movl %ecx, %edi
    imulq ${stacks_stride}, %rcx
    addq {trampoline} + {stacks}(%rip), %rcx
    movq %rcx, %rsp                 # CPU 1's stacks are the first there
    movq %r8, %rsi
    call {ap_main}
    ud2
