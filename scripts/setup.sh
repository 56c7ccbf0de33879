#!/usr/bin/env bash
# Installs what pulmoseg is built from, on Debian 12 or newer: compilers and libraries from Debian, LibTorch and OpenVINO
# out of their Python wheels (only unpacked: no Python runs when pulmoseg runs). Quick when nothing is missing.
#   PULMOSEG_TRAINING=OFF bash scripts/setup.sh    leaves LibTorch out (a machine that only segments and measures)
#   bash scripts/setup.sh --tests                  also what only tests need, which are skipped by name without it
# pip's own settings are honoured, e.g. PIP_EXTRA_INDEX_URL for the CPU build of torch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

debian_packages=(
  g++ cmake ninja-build ccache pkg-config python3 python3-pip ca-certificates
  libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev zlib1g-dev libprotozero-dev
  libdcmtk-dev libopenjp2-7-dev libisal-dev libarchive-dev libcurl4-openssl-dev libssl-dev
  libcairo2-dev fontconfig fonts-dejavu-core libgtest-dev
)
test_servers=()
wheels=(openvino==2026.4.1)
if [ "${PULMOSEG_TRAINING:-ON}" != OFF ]; then
  wheels+=(torch==2.13.0)
  debian_packages+=(libgloo-dev)  # headers that the wheel lacks, for training over several processes
  if [ "${1:-}" = --tests ]; then
    debian_packages+=(openmpi-bin iproute2)
    wheels+=(typing_extensions==4.15.0)  # the one thing that the wheel's torchrun needs besides Python
  fi
fi

if [ "${1:-}" = --tests ]; then
  debian_packages+=(dicom3tools dcmtk openssl socat)
  test_servers+=(orthanc orthanc-dicomweb)
fi

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
  done
}

install_debian_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || { echo "setup.sh: needs Debian's apt-get to install: ${missing[*]}" >&2; exit 1; }
  echo "Installing from Debian: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Debian starts a server that it installs, at once and at every boot. The tests start theirs themselves, and only then.
# One that is installed already stays as it is.
policy=/usr/sbin/policy-rc.d
forbid_starting() {
  if [ -e $policy ]; then as_root mv $policy $policy.before-pulmoseg; fi
  trap allow_starting EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
  as_root chmod 755 $policy
}
allow_starting() {
  trap - EXIT
  as_root rm -f $policy
  if [ -e $policy.before-pulmoseg ]; then as_root mv $policy.before-pulmoseg $policy; fi
}
install_test_servers() {
  [ -n "$(missing_packages "$@")" ] || return 0
  local were_missing
  were_missing=$(missing_packages orthanc)
  forbid_starting
  install_debian_packages "$@"
  if [ -n "$were_missing" ]; then as_root update-rc.d orthanc disable >/dev/null; fi  # tells systemd as well
  allow_starting
}

# A wheel is unpacked into .deps/python, over what an older or interrupted set-up left there. Its dist-info goes there
# last: where it is, the wheel is whole.
install_wheel() {
  local wheel=$1 name=${1%%==*} version=${1##*==}
  compgen -G ".deps/python/$name-$version*.dist-info" >/dev/null && return 0
  echo "Unpacking $wheel from its Python wheel"
  unpack "$name" --no-deps "$wheel"
}

# The CUDA build of torch (what plain PyPI gives) also needs the CUDA libraries that it names as its dependencies, and
# headers that c10d's NCCL includes; the CPU build needs nothing.
install_cuda() {
  local wheel=$1
  grep -qs "^cuda.*= '" .deps/python/torch/version.py || return 0
  compgen -G ".deps/python/nvidia_cuda_crt-*.dist-info" >/dev/null && return 0
  echo "Unpacking the CUDA libraries and headers that $wheel needs"
  unpack nvidia_cuda_crt "$wheel" "cuda-toolkit[cccl,crt]"
}

# unpack NAME ARGUMENTS OF PIP...: what pip installs with these, the dist-info of NAME last.
unpack() {
  local name=$1 partial=.deps/$1.partial
  shift
  rm -rf "$partial"
  python3 -m pip install --quiet --disable-pip-version-check --no-compile --root-user-action=ignore \
    --target "$partial" "$@"
  mkdir -p .deps/python
  rm -rf .deps/python/"$name" .deps/python/"$name"-*.dist-info
  find "$partial" -mindepth 1 -maxdepth 1 ! -name "$name-*.dist-info" -exec cp -rlf -t .deps/python {} +
  cp -rlf "$partial/$name"-*.dist-info .deps/python/
  rm -rf "$partial"
}

install_debian_packages "${debian_packages[@]}"
install_test_servers "${test_servers[@]}"
for wheel in "${wheels[@]}"; do install_wheel "$wheel"; done
for wheel in "${wheels[@]}"; do if [[ $wheel = torch==* ]]; then install_cuda "$wheel"; fi; done
