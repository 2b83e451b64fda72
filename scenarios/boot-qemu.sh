#!/bin/sh
# Boots a kernel once: boot-qemu.sh KERNEL COMMAND-LINE CPUS CAPTURE. The engine `script` of
# own-command.toml calls it; put another virtual machine monitor in the place of QEMU.
#
# `exec` lets the monitor take the script's place: a time limit or Ctrl-C then ends it too. The exit
# device makes QEMU end with 33 when the kernel has said goodbye.
set -eu
if [ "$1" = --version ]; then
    exec qemu-system-x86_64 --version
fi
exec qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
    -machine q35 -accel tcg,thread=multi -cpu SandyBridge-v1,x2apic=off,tsc-deadline=off \
    -smp "$3" -m 256 -device isa-debug-exit,iobase=0xf4,iosize=4 \
    -kernel "$1" -append "$2" -serial "file:$4"
