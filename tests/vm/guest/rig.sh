# What the parts of the machine test share: the door's hands and eyes. Sourced in the machine.
# shellcheck shell=bash

GPIO=/run/rig/gpio
TRACE=/sys/kernel/tracing
FAILED=0

# The part's own words go past the output of what it checks.
exec {VOICE}>&1

say() {
  local up
  read -r up _ </proc/uptime
  printf '%8.2f  %s\n' "$up" "$*" >&"$VOICE"
}

# check "SENTENCE" COMMAND...: says whether it holds.
check() {
  local sentence=$1
  shift
  if "$@" >/tmp/check 2>&1; then
    say "pass  $sentence"
  else
    say "FAIL  $sentence"
    sed 's/^/            /' /tmp/check | tail -5
    FAILED=1
  fi
}

# nap SECONDS: waits without starting a program, which costs more than most waits here.
exec {NAP}<> <(:)
nap() {
  read -rt "$1" -u "$NAP" || true
}

# Line numbers of the rig's chip, as `devices` names them.
RELAY=0 CONTACT=1 EXIT=2

# is LINE LEVEL: what the product drives.
is() {
  local level
  read -r level <"$GPIO/sim_gpio$1/value"
  [[ "$level" == "$2" ]]
}

# pull LINE up|down: what stands at an input.
pull() {
  echo "pull-$2" >"$GPIO/sim_gpio$1/pull"
}

door_open() { pull $CONTACT up; }
door_shut() { pull $CONTACT down; }

press_exit() {
  pull $EXIT down
  nap 0.2
  pull $EXIT up
}

# show SCENE: from the next picture on. An empty hall is shown twice a second: an emulated processor has better to do.
show() {
  [[ $1 == nobody ]] && echo 2 >/run/rig/rate || echo 4 >/run/rig/rate
  echo "$1" >/run/rig/scene
}

# until_level LINE LEVEL SECONDS: waits for it; the time it took, in milliseconds, goes to $TOOK.
until_level() {
  local began=${EPOCHREALTIME/./} now
  until is "$1" "$2"; do
    now=${EPOCHREALTIME/./}
    ((now - began < $3 * 1000000)) || return 1
    nap 0.02
  done
  now=${EPOCHREALTIME/./}
  TOOK=$(((now - began) / 1000))
}

# The kernel's own record of the lines, the cameras' pictures and the flushes to the disk, in monotonic time.
trace_on() {
  echo 0 >$TRACE/tracing_on
  echo mono >$TRACE/trace_clock
  echo 8192 >$TRACE/buffer_size_kb
  echo 1 >$TRACE/events/gpio/gpio_value/enable
  echo 1 >$TRACE/events/v4l2/v4l2_dqbuf/enable
  echo 1 | tee $TRACE/events/syscalls/sys_exit_{fsync,fdatasync}/enable >/dev/null
  : >$TRACE/trace
  echo 1 >$TRACE/tracing_on
}

# releases: how often the relay's line was driven high since trace_on.
releases() {
  local base
  base=$(relay_number)
  grep -c "gpio_value: $base set 1" $TRACE/trace || true
}

# relay_number: the relay's line as the trace calls it.
relay_number() {
  local chip
  for chip in /sys/class/gpio/gpiochip*; do
    [[ $(<"$chip/label") == rig-door ]] && echo $(($(<"$chip/base") + RELAY))
  done
}

# until_ready SECONDS: waits until doord says that it is.
until_ready() {
  local i
  for ((i = 0; i < $1 * 5; i++)); do
    [[ $(systemctl show --property=ActiveState --value doord) == active ]] && return 0
    nap 0.2
  done
  return 1
}

doord_pid() {
  systemctl show --property=MainPID --value doord
}

# trail: the audit trail.
trail() {
  doorctl-sealed audit export --format json
}

# grant: somebody comes, the lock opens, they leave, and it closes.
grant() {
  show person
  until_level $RELAY 1 20
  local code=$?
  show nobody
  until_level $RELAY 0 5 || code=1
  nap 4
  return $code
}

# refusals: how many decisions of this boot were refusals.
refusals() {
  journalctl --boot --unit=doord --output=cat DOORWARD_GRANTED=false | wc -l
}

# refuse SCENE SECONDS: it is decided, refused, and the line never moves.
refuse() {
  local released refused
  released=$(releases) refused=$(refusals)
  show "$1"
  nap "$2"
  show nobody
  nap 2
  [[ $(releases) == "$released" ]] && (($(refusals) > refused)) && is $RELAY 0
}

# on_record FILE STATE...: whether the door reported all of them.
on_record() {
  local file=$1 state
  shift
  for state in "$@"; do
    grep -q "\"$state\"" "$file" || return 1
  done
}

# written: bytes that doord has given to the disk.
written() {
  awk '/^write_bytes/ { print $2 }' "/proc/$(doord_pid)/io"
}

finish() {
  [[ $FAILED == 0 ]] && say "all passed" || say "some FAILED"
  exit $FAILED
}
