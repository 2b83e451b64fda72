# Entries of exceptions and interrupts.
#
# On entry: the CPU has switched to an IST stack and pushed SS, RSP, RFLAGS, CS, RIP and, for some
# vectors, an error code.
# Exceptions never return: they push 0 where the CPU pushes no error code, push the vector, and call
# trapped(&Trap). Interrupts only end a HLT: they acknowledge and return, with every register kept.

.section .text.traps, "ax"
.code64
.altmacro
.macro EXCEPTION vector
exception_\vector:
    # Vectors with an error code: Intel SDM volume 3, table "Protected-Mode Exceptions".
    .if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30)
    .else
    pushq $0
    .endif
    pushq $\vector
    jmp exception
.endm

.set vector, 0
.rept 32
    EXCEPTION %vector
    .set vector, vector + 1
.endr

exception:
    movq %rsp, %rdi
    andq $-16, %rsp
    cld
    call {trapped}
    ud2

# In xAPIC mode.
.global interrupt_wake
interrupt_wake:
    pushq %rax
    movabsq ${apic_eoi}, %rax
    movl $0, (%rax)
    popq %rax
    iretq

# In x2APIC mode.
.global interrupt_wake_x2apic
interrupt_wake_x2apic:
    pushq %rax
    pushq %rcx
    pushq %rdx
    movl ${apic_eoi_msr}, %ecx
    xorl %eax, %eax
    xorl %edx, %edx
    wrmsr
    popq %rdx
    popq %rcx
    popq %rax
    iretq

.global interrupt_spurious
interrupt_spurious:
    iretq

.section .rodata.traps, "a"
.balign 8
.global exception_entries
exception_entries:
.macro ENTRY_OF vector
    .quad exception_\vector
.endm
.set vector, 0
.rept 32
    ENTRY_OF %vector
    .set vector, vector + 1
.endr
