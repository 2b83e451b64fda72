#!/bin/sh
# Boots a kernel once: boot-qemu.sh KERNEL COMMAND-LINE CPUS CAPTURE. The engine `script` of
# own-command.toml calls it; replace QEMU by another virtual machine monitor.
#
# `exec` replaces the script by the monitor, so that a time limit or Ctrl-C ends the monitor. With the exit
# device QEMU ends with 33 after the kernel's goodbye frame.
set -eu
if [ "$1" = --version ]; then
    exec qemu-system-x86_64 --version
fi
exec qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
    -machine q35 -accel tcg,thread=multi -cpu SandyBridge-v1,x2apic=off,tsc-deadline=off \
    -smp "$3" -m 256 -device isa-debug-exit,iobase=0xf4,iosize=4 \
    -kernel "$1" -append "$2" -serial "file:$4"
