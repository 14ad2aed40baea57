#!/bin/bash
# Runs the native tests, or another statically linked program, under Bochs, an emulator that executes AVX-512, on a
# machine without it.
#
#   scripts/avx512-emulated.sh [--cpu MODEL] [--timeout SECONDS] [--jobs N] [--program FILE] [ARGUMENT ...]
#
# ARGUMENT  of the program. Of the native tests: parts of test names, --limit=SECONDS for each (native/test/main.cpp); the
#           whole takes hours, so: scripts/avx512-emulated.sh --jobs 2 --timeout 3600 --limit=60 'cin/*variants' 'cross*variants'
# --cpu     Bochs's name of the processor: corei7_skylake_x (default: AVX-512 F, CD, BW, DQ, VL), corei7_icelake_u (and
#           VNNI, VBMI), ...; `bochs --help cpu` lists them
# --timeout default 1500; a run that takes longer is stopped and fails
# --jobs    this many machines side by side, each with its share of the tests
# --program default: the native tests, built here with -DDLRM_STATIC_TEST=ON
#
# DLRM_BOCHS=FILE        another Bochs than Debian's 2.7: 3.0, built --with-nogui and without its debugger, runs this several
#                        times faster and knows AVX512-BF16 and AMX (which Linux enables only where XFD is emulated too)
# DLRM_BOCHS_BIOS=FOLDER where its BIOS-bochs-latest and VGABIOS-lgpl-latest.bin lie; default /usr/share/bochs
#
# A Debian kernel boots with the program as the only user program; its output comes through the emulated serial port. The exit
# status is the program's. Emulation is some 100 times slower than the machine itself; a machine has one processor.
# Needs: apt-get install bochs bochs-sdl vgabios isolinux xorriso cpio; downloads the kernel package into ~/.cache/dlrm.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cpu=corei7_skylake_x
timeout=1500
jobs=1
program=
while (($#)); do
  case $1 in
    --cpu) cpu=$2 ;;
    --timeout) timeout=$2 ;;
    --jobs) jobs=$2 ;;
    --program) program=$2 ;;
    *) break ;;
  esac
  shift 2
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || { echo "avx512-emulated: --jobs $jobs is no number" >&2; exit 2; }

bochs=${DLRM_BOCHS:-bochs}
bios=${DLRM_BOCHS_BIOS:-/usr/share/bochs}
for tool in "$bochs:bochs" xorriso:xorriso cpio:cpio dpkg-deb:dpkg cmake:cmake; do
  command -v "${tool%%:*}" >/dev/null || { echo "avx512-emulated: apt-get install ${tool##*:}" >&2; exit 2; }
done
files="/usr/lib/ISOLINUX/isolinux.bin:isolinux /usr/lib/syslinux/modules/bios/ldlinux.c32:syslinux-common $bios/BIOS-bochs-latest:bochsbios"
if [[ $bochs == bochs ]]; then
  vgabios=/usr/share/vgabios/vgabios.bin
  files+=" /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_sdl2_gui.so:bochs-sdl"
  # Its XSAVES is wrong. The display goes nowhere; the text one stops the machine once its terminal, which nobody reads, is full.
  kernel_options=clearcpuid=xsaves,xsavec
  devices=$'display_library: sdl2\nspeaker: enabled=0\nsound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy'
else
  vgabios=$bios/VGABIOS-lgpl-latest.bin
  kernel_options=
  devices='display_library: nogui'
fi
for file in $files "$vgabios:vgabios"; do
  [[ -e ${file%%:*} ]] || { echo "avx512-emulated: no ${file%%:*}: apt-get install ${file##*:}" >&2; exit 2; }
done

if [[ -z $program ]]; then
  node "$root/scripts/build-native.mjs" --core-only --tests --build-dir=build/static -DDLRM_STATIC_TEST=ON >&2
  program=$root/build/static/dlrm_native_test
elif ((jobs > 1)); then
  echo "avx512-emulated: --jobs is for the native tests" >&2
  exit 2
fi
[[ -x $program ]] || { echo "avx512-emulated: $program is no program" >&2; exit 2; }

kernel=${XDG_CACHE_HOME:-$HOME/.cache}/dlrm/vmlinuz
if [[ ! -e $kernel ]]; then
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-.*-cloud-amd64\)$/\1/p' | head -1)
  download=$(mktemp -d)
  (cd "$download" && apt-get -qq -o APT::Sandbox::User= download "$package" && dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards './boot/vmlinuz-*')
  mkdir -p "$(dirname "$kernel")"
  mv "$download"/boot/vmlinuz-* "$kernel"
  rm -r "$download"
fi

work=$(mktemp -d)
trap 'kill $(cat "$work"/*/emulator 2>/dev/null) 2>/dev/null; rm -rf "$work"' EXIT
${CXX:-c++} -O1 -static "$root/scripts/avx512-emulated-init.cpp" -o "$work/init"

# machine FOLDER ARGUMENT ...: its output goes to stdout and FOLDER/output.
machine() {
  local at=$1
  shift
  mkdir -p "$at"/ram/{proc,sys,tmp,dev} "$at/iso"
  cp "$work/init" "$at/ram/init"
  cp "$program" "$at/ram/program"
  strip "$at/ram/program"
  printf '%s\n' "$@" >"$at/ram/arguments"
  env | grep '^DLRM_' >"$at/ram/environment" || true
  (cd "$at/ram" && find . | cpio --quiet -o -H newc) | gzip -1 >"$at/iso/initrd"
  cp "$kernel" "$at/iso/vmlinuz"
  cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$at/iso/"
  cat >"$at/iso/isolinux.cfg" <<END
default linux
label linux
  kernel vmlinuz
  initrd initrd
  append console=ttyS0 loglevel=4 $kernel_options panic=-1 mitigations=off nokaslr random.trust_cpu=on
END
  xorriso -as mkisofs -quiet -o "$at/boot.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$at/iso" 2>&1 |
    grep -v '^xorriso .*libburnia\|^$' >&2 || true
  cat >"$at/bochsrc" <<END
cpu: model=$cpu, count=1, ips=50000000, reset_on_triple_fault=0
memory: guest=1024, host=1024
romimage: file=$bios/BIOS-bochs-latest
vgaromimage: file=$vgabios
$devices
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$at/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$at/serial
clock: sync=none
log: $at/log
panic: action=fatal
error: action=ignore
info: action=ignore
END
  # Debian builds Bochs with its debugger, which waits for a command.
  echo continue >"$at/commands"
  local debugger=()
  [[ $bochs != bochs ]] || debugger=(-rc "$at/commands")
  touch "$at/serial" "$at/log"
  SDL_VIDEODRIVER=dummy timeout "$timeout" "$bochs" -q -f "$at/bochsrc" "${debugger[@]}" >"$at/screen" 2>&1 </dev/null &
  local emulator=$!
  echo $emulator >"$at/emulator"
  tail -n +1 -s 0.5 -f --pid=$emulator "$at/serial" | sed -u 's/\r$//' | tee "$at/output"
  wait $emulator || true
}

running=()
for ((i = 0; i < jobs; i++)); do
  share=()
  ((jobs == 1)) || share=("--share=$i/$jobs")
  machine "$work/$i" "${share[@]}" "$@" &
  running+=($!)
done
wait "${running[@]}"

result=0
for ((i = 0; i < jobs; i++)); do
  status=$(sed -n 's/^\[emulated\] exit status \([0-9]*\)$/\1/p' "$work/$i/output")
  if [[ -z $status ]]; then
    echo "avx512-emulated: the emulated machine stopped before the program ended" >&2
    tail -n 5 "$work/$i/screen" "$work/$i/log" >&2
    status=1
  fi
  ((status == 0)) || result=$status
done
if ((jobs > 1)); then
  cat "$work"/*/output | grep '^not ok' || true
  cat "$work"/*/output | awk '/^ok /{p++} /^not ok /{f++} /^skip /{s++} END {printf "all machines: %d passed, %d failed, %d skipped\n", p, f, s}'
fi
exit "$result"
