# Debian's mirrors as this machine already uses them, and an apt of our own beside the host's. Sourced.
# shellcheck shell=bash

SUITE=${SUITE:-bookworm}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# mirror_of SUITE: where this machine takes that suite from.
mirror_of() {
  apt-get indextargets --format '$(RELEASE) $(SITE)' "Created-By: Packages" | awk -v suite="$1" '$1 == suite { print $2; exit }'
}

# sources ARCHITECTURES SUITE...: lines for sources.list; backports come from where the suite itself does.
sources() {
  local architectures=$1 suite from
  shift
  for suite in "$@"; do
    from=$(mirror_of "${suite%-backports}")
    [[ -n "$from" ]] || fail "apt on this machine knows no mirror of $suite"
    echo "deb [arch=$architectures signed-by=$KEYRING] $from $suite main"
  done
}

# private_apt FOLDER ARCHITECTURES [SUITE]: lists of its own in FOLDER, so that neither the host's sources nor its
# architectures change. Leaves the options for apt in APT_OPTIONS.
private_apt() {
  local folder=$1 architectures=$2 suites=("$SUITE" "$SUITE-updates" "$SUITE-security") architecture
  [[ " ${suites[*]} " == *" ${3:-$SUITE} "* ]] || suites+=("$3")
  mkdir -p "$folder/lists/partial" "$folder/parts"
  sources "$architectures" "${suites[@]}" >"$folder/sources.list"
  APT_OPTIONS=(-o "Dir::Etc::SourceList=$folder/sources.list" -o "Dir::Etc::SourceParts=$folder/parts"
    -o "Dir::State::Lists=$folder/lists" -o Dir::Cache::PkgCache= -o Dir::Cache::SrcPkgCache= -o APT::Sandbox::User=root)
  for architecture in ${architectures//,/ }; do
    APT_OPTIONS+=(-o "APT::Architectures::=$architecture")
  done
  apt-get "${APT_OPTIONS[@]}" --quiet update >"$folder/update.log" || fail "apt-get update failed, see $folder/update.log"
}
