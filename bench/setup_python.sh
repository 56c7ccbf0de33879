#!/usr/bin/env bash
# The newest wheels of the peers, in an environment of their own beside ours: .deps/peers. Quick when it is there.
#   bash bench/setup_python.sh [nnunet|inference]     nnunet: nnU-Net too; inference: ONNX Runtime
# torch.compile needs a C++ compiler and Python's headers, which scripts/setup.sh does not install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
peers=.deps/peers
wheels=(torch torchvision numpy) modules="torch, torchvision, numpy"
if [ "${1:-}" = nnunet ]; then wheels+=(nnunetv2 pillow) modules+=", nnunetv2"; fi
if [ "${1:-}" = inference ]; then wheels+=(onnxruntime nibabel) modules+=", onnxruntime, nibabel"; fi
if [ -x "$peers/bin/python" ] && "$peers/bin/python" -c "import $modules" 2>/dev/null; then exit 0; fi
if ! python3 -c "import venv, ensurepip" 2>/dev/null || ! ls /usr/include/python3*/Python.h >/dev/null 2>&1; then
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get install -y --no-install-recommends python3-venv python3-dev
fi
python3 -m venv "$peers"
"$peers/bin/pip" install --quiet "${wheels[@]}"
