# What the scripts in this folder share: architectures and how cargo reaches them. Sourced from the root of the workspace.
# shellcheck shell=bash

# The parts of the product: what the packages hold.
PRODUCT=(--package doorward-daemon --package doorward-admin --package doorward-hub)

# enter_target amd64|arm64: sets target, binaries (the folder they end up in), cargo_options and run_with.
enter_target() {
  case $1 in
  amd64) target=x86_64-unknown-linux-gnu run_with=() ;;
  arm64) target=aarch64-unknown-linux-gnu run_with=(qemu-aarch64-static -L /usr/aarch64-linux-gnu) ;;
  *) fail "unknown architecture $1: amd64 or arm64" ;;
  esac
  local folder=${CARGO_TARGET_DIR:-target}
  cargo_options=(--locked)
  if [[ $1 == "$(dpkg --print-architecture)" ]]; then
    run_with=()
    binaries=$folder/release
    return
  fi
  [[ $1 == arm64 ]] || fail "only arm64 is built across; build $1 on such a machine"
  command -v aarch64-linux-gnu-gcc >/dev/null || fail "no aarch64-linux-gnu-gcc here; run cross/toolchain"
  binaries=$folder/$target/release
  cargo_options+=(--target "$target")
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="${run_with[*]}"
  export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
  export BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu=--sysroot=/usr/aarch64-linux-gnu
}
