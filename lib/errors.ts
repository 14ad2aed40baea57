/** Stable codes of every error this package throws. Messages may change; codes do not. */
export type ErrorCode =
  | 'ERR_ARGUMENT' // an option or argument has the wrong type or value
  | 'ERR_SHAPE' // sizes that do not fit each other
  | 'ERR_INDEX' // an embedding index outside [0, R)
  | 'ERR_OFFSETS' // bag offsets that decrease, do not start at 0 or do not end at L
  | 'ERR_BUFFER' // a buffer that is detached (transferred away)
  | 'ERR_VALUE' // NaN or infinity where a finite number is needed
  | 'ERR_STATE' // a call that the object is not ready for (step before compile, use after close)
  | 'ERR_FORMAT' // a file whose bytes contradict its format
  | 'ERR_DATA' // a malformed row of a data file
  | 'ERR_IO' // the operating system refused a read or write; `cause` has its error
  | 'ERR_NATIVE' // the native addon could not be loaded
  | 'ERR_MEMORY' // an allocation failed
  | 'ERR_DEVICE' // no GPU, driver or CUDA plugin, or one that does not fit or has failed; the message says what to do

/** An error with a stable `code`. The message names the op or option, what was expected and what was received. */
export class DlrmError extends Error {
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'DlrmError'
    this.code = code
  }
}

/** Throws `ERR_IO` for an operating-system error, naming what was being done. */
export function ioError(doing: string, cause: unknown): DlrmError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new DlrmError('ERR_IO', `${doing}: ${why}`, { cause })
}
