#!/bin/sh
# on_pages.sh READELF OBJECT...
# The code of every object begins a page: see variants/page_aligned.h.
set -u
readelf=$1
shift
[ $# -gt 0 ] || { echo "no objects"; exit 2; }
failed=0
for object in "$@"; do
  alignment=$("$readelf" -SW "$object" | awk '/ \.text /{ print $NF }')
  [ "$alignment" = 4096 ] || { echo "$object: .text is aligned to '$alignment' rather than 4096"; failed=1; }
done
exit $failed
