#!/bin/sh
# Runs what scripts/gpu-box.mjs packed; arguments: run.mjs. Logs go to the folder in OUT, by default out/ in this one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
OUT=${OUT:-$here/out}
mkdir -p "$OUT"
chmod +x "$here/build/cmake/dlrm_native_test"
export OUT
# The driver's library may lie where the loader does not look.
for dir in /usr/local/nvidia/lib64 /usr/lib/wsl/lib; do
  [ ! -e "$dir/libcuda.so.1" ] || LD_LIBRARY_PATH=$dir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
[ -z "${LD_LIBRARY_PATH:-}" ] || export LD_LIBRARY_PATH
node=$here/node
if [ ! -x "$node" ]; then
  xz -dc "$here/node.xz" >"$node.part" ||
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer)' "$here/node.xz" >"$node.part"
  chmod +x "$node.part"
  mv "$node.part" "$node"
fi
exec "$node" "$here/scripts/gpu-box/run.mjs" "$@"
