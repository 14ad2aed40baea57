import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DlrmError } from './errors.js'

/** One value of an op's options, as `native/ops/op.h` (Attrs) reads it. */
export type Attr = number | boolean | string | number[] | string[]
/** Options of an op, by name. */
export type Attrs = { [name: string]: Attr }

/** Instruction sets that kernels are written for. */
export type Isa = 'scalar' | 'avx2' | 'avx512' | 'avx512_bf16' | 'amx'

/** Where a model lives and computes, or a kernel runs: this machine's processor, or its NVIDIA GPU. */
export type Device = 'cpu' | 'cuda'

/** What {@link cuda} finds: the GPU, or why there is none. */
export type CudaInfo =
  | {
      available: true
      name: string
      /** Compute capability, such as `9.0`. */
      capability: string
      /** Bytes of its memory, and how many of them were free when it was opened. */
      memory: number
      freeMemory: number
      /** CUDA versions: the newest that the driver knows, and the one the plugin was built with. */
      driver: string
      runtime: string
      /** The kernels run on the CPU: the plugin is the one of the tests. */
      emulated: boolean
      /** The plugin's file. */
      plugin: string
    }
  | { available: false; reason: string; plugin: string }

/**
 * How embedding tables lie in memory: float32; bf16 or float16, 2 bytes a number, trained with stochastic rounding; or int8 or
 * int4, rows quantised to a byte or half of one with a scale and a least value each, for predictions only.
 */
export type TableDtype = 'f32' | 'bf16' | 'f16' | 'int8' | 'int4'

/** A column of indices made from others, once per batch; `native/exec/derive.h` has the rules. */
export interface DerivedColumn {
  kind: 'cross' | 'bucket' | 'quotient' | 'remainder'
  /** Columns, raw or derived before this one; of a bucket the dense feature. */
  from: number[]
  /** R */
  rows: number
  /** Of a bucket, ascending. */
  boundaries?: number[]
  /** Of a quotient or remainder. */
  divisor?: number
}

/** A model as plain data; `native/exec/graph.h` says what it means. */
export interface GraphSpec {
  /** D */
  dense: number
  /** R of each table */
  rows: number[]
  tableNames: string[]
  /** Behind the raw columns. */
  derived?: DerivedColumn[]
  nodes: {
    op: string
    name: string
    inputs: string[]
    outputs: string[]
    attrs: Attrs
    group?: string
    params?: string[]
  }[]
  loss: string
  prediction: string
}

export interface TensorInfo {
  name: string
  dtype: TableDtype
  /** In memory. */
  bytes: number
  shape: number[]
  /** An embedding table, updated by row. */
  sparse: boolean
  /** Not trained: running statistics, which a step itself moves. */
  buffer: boolean
  /** The parameter group; empty for what is not trained by the optimizer. */
  group: string
  /** Optimizer state, not a parameter. */
  state: boolean
}

/** The update rule of a parameter group; `*`: of all groups without an entry. */
export interface GroupRule {
  group: string
  attrs: Attrs
}

/** A flattened Batch: size, dense, [offsets, indices, weights, offsets, ...] or the same in one array (read_packed_tables), labels, weights. */
export type FlatBatch = [
  size: number,
  dense: Float32Array | undefined,
  tables: unknown[] | Int32Array,
  labels: Float32Array | undefined,
  weights: Float32Array | undefined,
]

export interface NativeProgram {
  tensors(): TensorInfo[]
  /** Numbers as floats; what is written is rounded to the nearest, of quantised tables in whole rows. */
  read(index: number, start: number, to: Float32Array): void
  write(index: number, start: number, from: Float32Array): void
  /** Bytes as they lie in memory: `native/base/table_rows.h`. */
  readBytes(index: number, start: number, to: Uint8Array): void
  writeBytes(index: number, start: number, from: Uint8Array): void
  /** Makes the tables int8 or int4: no training after that. */
  quantise(dtype: 'int8' | 'int4'): Promise<void>
  /** Of each set the share of least magnitude becomes zero; tensors by their place in `tensors()`. */
  prune(sets: { tensors: number[]; fraction: number }[]): Promise<void>
  /** Zeros of each parameter. */
  zeros(): number[]
  /** `clipNorm` 0: no clipping. */
  compile(rules: GroupRule[], maxBatch: number, clipNorm: number): void
  /** `rates`: one for each rule of `compile`. */
  step(...batchRatesNumber: [...FlatBatch, rates: number[], number: number]): Promise<number>
  predict(...batch: FlatBatch): Promise<Float32Array>
  predictSync(...batch: FlatBatch): Float32Array
  evaluate(...batch: FlatBatch): Promise<{ loss: number; predictions: Float32Array }>
}

/** One op of the registry, alone; `native/ops/op.h` says what the lists are for each op. */
export interface OpCall {
  op: string
  attrs?: Attrs
  /** B */
  batch: number
  /** Matrices `[rows or B, cols]`, or the flattened bags of T tables. */
  inputs: ({ data: Float32Array | Int32Array; cols: number; rows?: number } | { bags: unknown[] })[]
  /** Used in place; update ops change them. */
  params?: (Float32Array | Uint16Array | Uint8Array)[]
  /** Draws the parameters instead, into memory of the op's own. */
  seed?: number
  dout?: Float32Array[]
  dparams?: Float32Array[]
  isa?: Isa
  device?: Device
  /** Default 1. */
  threads?: number
  /** Run forward once, then time backward. */
  backward?: boolean
  lr?: number
  /** From 1. */
  step?: number
  /** As in a training step, default if `backward`: dropout drops, batch_norm takes the statistics of the batch. */
  training?: boolean
  /** Of the random numbers in training, with `step`; default 0. */
  key?: number
  /** Default 1. */
  repeats?: number
  /** Ends the repeats this long after the first; while they are fewer than ten, eight times as long after. */
  seconds?: number
  /** Empties the caches before each repeat. */
  cold?: boolean
}

export interface OpResult {
  outputs: Float32Array[]
  saved: (Float32Array | Int32Array)[]
  /** Null where an input has no gradient. */
  din?: (Float32Array | null)[]
  dparams?: (Float32Array | null)[]
  /** Gradients of the per-sample weights, per table. */
  dweights?: Float32Array[]
  /** Time of each repeat. */
  nanoseconds: Float64Array
  /** Of one repeat: arithmetic, and the least traffic to and from memory. */
  flops: number
  bytes: number
}

export interface ProbeOptions {
  isa?: Isa
  threads?: number
  /** Of the buffer that is read, or the table whose rows are gathered. */
  bytes?: number
  rowBytes?: number
  /** How long to measure; default .05. */
  seconds?: number
}

/** What the native addon exports (native/binding/addon.cpp). */
export interface NativeAddon {
  setErrorClass(errorClass: typeof DlrmError): void
  /** Instruction sets of this machine, worst first. */
  isas(): Isa[]
  /** The one in use: the best, lowered by DLRM_ISA. */
  isa(): Isa
  threads(count?: number): number
  cuda(): CudaInfo
  /** All, or those that have kernels for the device. */
  ops(device?: Device): string[]
  runOp(call: OpCall): OpResult
  /** Rows of floats to rows of a table of this type, and back; sizes are the caller's to check. */
  tableRows(
    dtype: TableDtype,
    width: number,
    rows: number,
    from: Float32Array,
    to: Float32Array | Uint16Array | Uint8Array,
  ): void
  tableFloats(
    dtype: TableDtype,
    width: number,
    rows: number,
    from: Float32Array | Uint16Array | Uint8Array,
    to: Float32Array,
  ): void
  /** The machine's peak, in flops or bytes per second: native/base/probe.h; of the GPU's memory `copy`. */
  probe(kind: 'fma' | 'read' | 'gather' | 'update' | 'copy', options: ProbeOptions): number
  Program: new (graph: GraphSpec, isa: Isa | undefined, seed: number, device: Device | undefined) => NativeProgram
}

// The nearest folder above with a package.json: this file runs as dist/native.js, lib/native.ts and, in the benchmark,
// build/bench/lib/native.js.
function findRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(dir, 'package.json')) && dirname(dir) !== dir) dir = dirname(dir)
  return dir
}

/**
 * Loads build/Release/dlrm.node, else the shipped prebuild for this platform. Never relies on an install script having
 * run: package managers may block them.
 *
 * @throws DlrmError `ERR_NATIVE`, with what to do, when there is no binary or it does not load; `cause` has the reason.
 */
export function loadNative(root: string = findRoot()): NativeAddon {
  try {
    const load = createRequire(import.meta.url)('node-gyp-build') as (dir: string) => NativeAddon
    const addon = load(root)
    addon.setErrorClass(DlrmError)
    return addon
  } catch (cause) {
    throw new DlrmError('ERR_NATIVE', explain(root, cause), { cause })
  }
}

function explain(root: string, cause: unknown): string {
  const why = cause instanceof Error ? cause.message.trim().split('\n')[0] : String(cause)
  return `The native part of dlrm could not be loaded for ${process.platform}-${process.arch}, Node ${process.version}: ${why}
Possible solutions:
- Install a C++ compiler, make and CMake (Debian: apt-get install g++ make cmake; macOS: xcode-select --install,
  brew install cmake), then build in place: node ${join(root, 'scripts', 'build-native.mjs')}
- If your package manager blocks install scripts (npm 12 and pnpm do), allow this one, then build it: npm install-scripts
  approve dlrm (pnpm: pnpm approve-builds), npm rebuild dlrm --foreground-scripts
- If node_modules was copied from another machine or image, delete it and install here
- Shipped binaries are for linux-x64 with glibc 2.28 or newer (ldd --version); other systems build from source`
}

export const native: NativeAddon = loadNative()

/**
 * Threads of training steps and asynchronous predictions, of the whole process: without an argument how many, with one so
 * many from the next call on. Default `DLRM_THREADS`, else the cores that affinity and cgroup allow.
 * Errors: `ERR_ARGUMENT` unless an integer from 1 to 1024.
 */
export function threads(count?: number): number {
  return native.threads(count)
}

/**
 * The GPU that `device: 'cuda'` uses (CUDA_VISIBLE_DEVICES chooses it), or the reason why there is none: no plugin, no driver,
 * one too old, no device. Looks for it now, and again as long as none is found.
 */
export function cuda(): CudaInfo {
  return native.cuda()
}
