#!/bin/sh
# on_pages.sh OBJDUMP OBJECT...
# The code of every object begins a page: see variants/page_aligned.h.
set -u
objdump=$1
shift
[ $# -gt 0 ] || { echo "no objects"; exit 2; }
failed=0
for object in "$@"; do
  alignment=$("$objdump" -h "$object" | awk '$2 == ".text" { print $NF }')
  [ "$alignment" = '2**12' ] || { echo "$object: .text is aligned to '$alignment' rather than 2**12"; failed=1; }
done
exit $failed
