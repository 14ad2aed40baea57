import { DlrmError } from '../errors.js'
import { type Device, type Isa, native, type OpCall, type OpResult } from '../native.js'

/** How a kernel runs; the second argument of every one. */
export interface KernelOptions {
  /** Kernels of this instruction set (see `kernels.isas()`); default the best of this machine, or `DLRM_ISA`. */
  isa?: Isa
  /**
   * Where it runs; default `cpu`. On `cuda` arrays are copied there and back, outside of the times.
   * Errors: `ERR_DEVICE`, `ERR_ARGUMENT` for an op that has no kernels there.
   */
  device?: Device
  /** Threads, 1 to 1024, of a pool made for this call; default 1. The result is bitwise the same for any number. */
  threads?: number
  /** Runs the kernel so often, each timed; default 1. The output is the last one's; an update is applied each time. */
  repeats?: number
}

/** What every kernel returns beside its outputs. */
export interface KernelTiming {
  /** Of each repeat: the kernel alone, without checks and copies. */
  nanoseconds: Float64Array
  /** Arithmetic operations of one repeat. */
  flops: number
  /** The least traffic of one repeat to and from memory, in bytes. */
  bytes: number
}

/** Runs one op of the registry. `@internal` */
export function call(op: OpCall, options: KernelOptions = {}): { result: OpResult; timing: KernelTiming } {
  if (typeof options !== 'object' || options === null)
    throw new DlrmError('ERR_ARGUMENT', `[${op.op}] options: expected an object, received ${String(options)}`)
  const { repeats = 1 } = options
  if (!Number.isSafeInteger(repeats) || repeats < 1)
    throw new DlrmError('ERR_ARGUMENT', `[${op.op}] repeats: expected an integer >= 1, received ${repeats}`)
  const result = native.runOp({ ...op, ...options })
  const { nanoseconds, flops, bytes } = result
  return { result, timing: { nanoseconds, flops, bytes } }
}

/**
 * The readers of one op's arguments, for messages such as
 * `[mlp] x: expected B x K = 3 x 5 elements, received 14`. `@internal`
 */
export class Arguments {
  constructor(readonly op: string) {}

  fail(code: 'ERR_ARGUMENT' | 'ERR_SHAPE', message: string): never {
    throw new DlrmError(code, `[${this.op}] ${message}`)
  }

  /** A Float32Array of these sizes' product; `letters` are their names. */
  floats(name: string, value: unknown, letters: string, ...sizes: number[]): Float32Array {
    const array = this.anyFloats(name, value)
    const expected = sizes.reduce((a, b) => a * b, 1)
    if (array.length !== expected)
      this.fail('ERR_SHAPE', `${name}: expected ${letters} = ${sizes.join(' x ')} elements, received ${array.length}`)
    return array
  }

  /** A Float32Array of at least one element. */
  anyFloats(name: string, value: unknown): Float32Array {
    if (!(value instanceof Float32Array))
      this.fail('ERR_ARGUMENT', `${name}: expected a Float32Array, received ${describe(value)}`)
    if (value.length === 0) this.fail('ERR_SHAPE', `${name}: expected at least one element (is its buffer detached?)`)
    return value
  }

  size(name: string, value: unknown): number {
    if (!Number.isSafeInteger(value) || (value as number) < 1)
      this.fail('ERR_ARGUMENT', `${name}: expected an integer >= 1, received ${String(value)}`)
    return value as number
  }

  /** What is left of a matrix's elements: its other size. */
  quotient(name: string, value: unknown, letter: string, size: number): number {
    const { length } = this.anyFloats(name, value)
    if (length % size !== 0)
      this.fail('ERR_SHAPE', `${name}: expected a multiple of ${letter} = ${size} elements, received ${length}`)
    return length / size
  }

  /** An array of at least one item. */
  list<T>(name: string, value: readonly T[]): readonly T[] {
    if (!Array.isArray(value) || value.length === 0)
      this.fail('ERR_ARGUMENT', `${name}: expected an array of at least one item, received ${describe(value)}`)
    return value
  }
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object' && value !== null) return value.constructor?.name ?? 'an object'
  return String(value)
}
