#!/usr/bin/env bash
# usage: quota_test.sh ATTNBENCH
# A real CPU quota of one core, of whichever version of cgroups this machine has: a team of two is marked in row and table.
# Exit 77, skipped, where no group can be made.
set -u
# shellcheck source-path=SCRIPTDIR source=program.sh
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
attnbench=$(realpath "$1")
begin

skip() {
  echo "skipped: $1"
  exit 77
}

# The folder of this process's group in the hierarchy that has the CPU controller; empty when there is none.
own_group() {
  local line mount path
  line=$(grep -E '^[0-9]+:([^:]*,)?cpu(,[^:]*)?:' /proc/self/cgroup || grep '^0::' /proc/self/cgroup)
  path=${line#*:*:}
  if [[ $line == 0::* ]]; then
    mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
  else
    mount=$(awk '$3 == "cgroup" && $4 ~ /(^|,)cpu(,|$)/ { print $2; exit }' /proc/mounts)
  fi
  if [ -n "$mount" ]; then realpath -q "$mount/$path"; fi
}

group=$(own_group)
[ -n "$group" ] || skip 'no cgroups are mounted'
limited=$group/attnbench_quota_test.$$
mkdir "$limited" 2>err || skip "$(cat err)"
trap 'rmdir "$limited"; rm -rf "$folder"' EXIT
if [ -e "$limited/cpu.cfs_quota_us" ]; then
  quota=$limited/cpu.cfs_quota_us
  echo 100000 2>err >"$quota" || skip "$(cat err)"
elif [ -e "$limited/cpu.max" ]; then
  quota=$limited/cpu.max
  echo '100000 100000' 2>err >"$quota" || skip "$(cat err)"
else
  skip "the groups of $group have no CPU controller"
fi

# A command, in the group.
in_group() { sh -c 'echo $$ >"$0" && exec "$@"' "$limited/cgroup.procs" "$@"; }
in_group true 2>err || skip "$(cat err)"

few=(run --problem h:2/q:64/d:16 --variants flash --benchmark_min_time=0.01 --benchmark_out=rows.json)
expect_of 0 out "oversubscribed: 2 threads on 1 CPU \(cgroup quota," in_group "$attnbench" "${few[@]}" --threads 2
grep -q '"oversubscribed": "2 threads on 1 CPU' rows.json && pass || fail 'the row is to carry the mark'
grep -q '"cgroup_quota": "1 CPUs' rows.json && pass || fail 'the file is to name the quota'
expect_of 0 out flash in_group "$attnbench" "${few[@]}" --threads 1
! grep -q oversubscribed rows.json && pass || fail 'a team of one has the CPU that it needs'
finish
