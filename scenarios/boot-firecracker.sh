#!/bin/sh
# Boots a kernel once in Firecracker: boot-firecracker.sh KERNEL COMMAND-LINE CPUS CAPTURE. The engine of firecracker.toml
# calls it. Written from Firecracker's documentation, and untried.
#
# Its serial port is its standard output, so its log goes elsewhere. Without `--enable-pci` it would add `pci=off` to the command
# line, an option that the kernel does not have.
set -eu
case $1$2 in
*[\"\\]*)
    echo "the path of the kernel or the command line has a quote or a backslash, which the configuration can't hold" >&2
    exit 2
    ;;
esac
exec firecracker --no-api --enable-pci --log-path /dev/null --level Error --config-file /dev/fd/3 \
    3<<CONFIGURATION </dev/null >"$4"
{
  "boot-source": { "kernel_image_path": "$1", "boot_args": "$2" },
  "drives": [],
  "machine-config": { "vcpu_count": $3, "mem_size_mib": 256 }
}
CONFIGURATION
