#!/bin/bash
# Runs a statically linked test program under Bochs, an emulator that executes AVX-512, on a machine without it.
#
#   scripts/avx512-emulated.sh [--cpu MODEL] [--timeout SECONDS] [PROGRAM [ARGUMENT ...]]
#
# PROGRAM   default: the native tests, built here with -DDLRM_STATIC_TEST=ON
# --cpu     Bochs's name of the processor: corei7_skylake_x (default: AVX-512 F, CD, BW, DQ, VL), corei7_icelake_u (and
#           VNNI, VBMI), ...; `bochs --help cpu` lists them
# --timeout default 1500; a run that takes longer is stopped and fails
#
# A Debian kernel boots with PROGRAM as the only user program; its output comes through the emulated serial port.
# The exit status is PROGRAM's. Emulation is some 100 times slower than the machine itself and has one processor.
# Needs: apt-get install bochs bochs-sdl vgabios isolinux xorriso cpio; downloads the kernel package into ~/.cache/dlrm.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cpu=corei7_skylake_x
timeout=1500
while [[ ${1:-} == --* ]]; do
  case $1 in
    --cpu) cpu=$2 ;;
    --timeout) timeout=$2 ;;
    *) echo "avx512-emulated: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done

for tool in bochs:bochs xorriso:xorriso cpio:cpio dpkg-deb:dpkg cmake:cmake; do
  command -v "${tool%%:*}" >/dev/null || { echo "avx512-emulated: apt-get install ${tool##*:}" >&2; exit 2; }
done
for file in /usr/lib/ISOLINUX/isolinux.bin:isolinux /usr/lib/syslinux/modules/bios/ldlinux.c32:syslinux-common \
  /usr/share/vgabios/vgabios.bin:vgabios /usr/share/bochs/BIOS-bochs-latest:bochsbios \
  /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_sdl2_gui.so:bochs-sdl; do
  [[ -e ${file%%:*} ]] || { echo "avx512-emulated: apt-get install ${file##*:}" >&2; exit 2; }
done

if (($# == 0)); then
  node "$root/scripts/build-native.mjs" --core-only --tests --build-dir=build/static -DDLRM_STATIC_TEST=ON >&2
  set -- "$root/build/static/dlrm_native_test"
fi
program=$1
shift
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
emulator=
trap 'kill $emulator 2>/dev/null; rm -rf "$work"' EXIT
mkdir -p "$work/ram/proc" "$work/ram/sys" "$work/ram/tmp" "$work/ram/dev" "$work/iso"
${CXX:-c++} -O1 -static "$root/scripts/avx512-emulated-init.cpp" -o "$work/ram/init"
cp "$program" "$work/ram/program"
strip "$work/ram/program"
printf '%s\n' "$@" >"$work/ram/arguments"
env | grep '^DLRM_' >"$work/ram/environment" || true
(cd "$work/ram" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/iso/initrd"
cp "$kernel" "$work/iso/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/"
cat >"$work/iso/isolinux.cfg" <<END
default linux
label linux
  kernel vmlinuz
  initrd initrd
  append console=ttyS0 loglevel=4 clearcpuid=xsaves,xsavec panic=-1 mitigations=off nokaslr random.trust_cpu=on
END
xorriso -as mkisofs -quiet -o "$work/boot.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$work/iso" 2>&1 | grep -v '^xorriso .*libburnia\|^$' >&2 || true

cat >"$work/bochsrc" <<END
cpu: model=$cpu, count=1, ips=50000000, reset_on_triple_fault=0
memory: guest=1024, host=1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
display_library: sdl2
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
clock: sync=none
log: $work/log
panic: action=fatal
error: action=ignore
info: action=ignore
speaker: enabled=0
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
END
# Debian builds Bochs with its debugger, which waits for a command.
echo continue >"$work/commands"
touch "$work/serial"
# The display goes nowhere; the text one stops the machine once its terminal, which nobody reads, is full.
SDL_VIDEODRIVER=dummy timeout "$timeout" bochs -q -f "$work/bochsrc" -rc "$work/commands" >"$work/screen" 2>&1 </dev/null &
emulator=$!
tail -n +1 -s 0.5 -f --pid=$emulator "$work/serial" | sed -u 's/\r$//' | tee "$work/output"
wait $emulator || true

status=$(sed -n 's/^\[emulated\] exit status \([0-9]*\)$/\1/p' "$work/output")
if [[ -z $status ]]; then
  echo "avx512-emulated: the emulated machine stopped before the program ended" >&2
  tail -5 "$work/log" >&2
  exit 1
fi
exit "$status"
