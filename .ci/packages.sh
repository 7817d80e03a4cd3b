# Debian packages the build and the tests need, each with its reason. Sourced by ./demo and ./check; the one place
# where packages are named.
# shellcheck shell=bash

# What compiling needs: two crates carry C or assembler, one reads a kernel header.
BUILD_PACKAGES=(
  "gcc|links Rust programs; compiles the bundled SQLite and the kernels of the model engine"
  "libc6-dev|headers and start-up code for gcc, with the kernel's video4linux header"
  "libclang-dev|reads the video4linux header to make the camera's bindings"
)

# What the test of the demo's page needs on top.
PAGE_PACKAGES=(
  "chromium|opens the demo's page as a person would"
  "chromium-driver|lets the page test steer that browser"
  "fonts-dejavu-core|letters for the browser, which draws empty boxes without a font"
)

# What the tests of the hub need, which are skipped where it is absent.
CENTRE_PACKAGES=(
  "mosquitto|the broker between terminals and hub, as it is shipped, with TLS"
  "faketime|lets a hub's clock be wrong by years in a test"
  "postgresql|the larger of the hub's two databases; the tests start a server of their own"
)

# What the tests of the training need, which are skipped where it is absent. Training: models/training/requirements.txt.
TRAINING_PACKAGES=(
  "python3-torch|networks and their training"
  "python3-opencv|reads, warps and blurs pictures"
  "python3-onnx|writes networks to files"
)

# Ends the script with a message.
fail() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 1
}

# A heading between the steps.
step() {
  printf '\n== %s\n' "$1"
}

# package_installed NAME
package_installed() {
  dpkg-query --show --showformat='${db:Status-Status}\n' "$1" 2>/dev/null | grep --quiet --line-regexp installed
}

# ensure_packages "NAME|REASON"...: names each package with its reason and installs those that are missing.
ensure_packages() {
  local row name missing=()
  step "Debian packages"
  for row in "$@"; do
    name="${row%%|*}"
    if ! command -v dpkg-query >/dev/null; then
      printf '   %-18s %s\n' "$name" "${row#*|}"
    elif package_installed "$name"; then
      printf '   %-18s here     %s\n' "$name" "${row#*|}"
    else
      printf '   %-18s missing  %s\n' "$name" "${row#*|}"
      missing+=("$name")
    fi
  done
  if ! command -v dpkg-query >/dev/null; then
    echo "   No Debian here: what these packages hold must be installed already."
  elif ((${#missing[@]})); then
    install_packages "${missing[@]}"
  fi
}

# install_packages NAME...: as root, or through sudo.
install_packages() {
  local command="apt-get install $*"
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "neither root nor sudo here; as root, run: $command"
    as_root=(sudo)
    # Nobody can type a password where there is no terminal.
    [[ -t 0 ]] || as_root=(sudo --non-interactive)
    "${as_root[@]}" true || fail "sudo refused; as root, run: $command"
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet)
  step "Installing $*"
  "${apt[@]}" update </dev/null || fail "apt-get update failed; see above"
  "${apt[@]}" install --yes --no-install-recommends "$@" </dev/null || fail "failed: $command"
}

# ensure_cargo: finds cargo, also where rustup has put it and the shell does not know yet.
ensure_cargo() {
  command -v cargo >/dev/null || PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
  command -v cargo >/dev/null || fail "no Rust toolchain here; install one from https://rustup.rs and try again"
}
