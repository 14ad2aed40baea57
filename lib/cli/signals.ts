export interface Stop {
  readonly signal: AbortSignal
  /** Exit code after a signal: 128 + its number; 0 before. */
  readonly code: number
  dispose(): void
}

/** Aborts at the first SIGINT or SIGTERM; a second one ends the process as if nobody listened. */
export function stopOnSignals(): Stop {
  const controller = new AbortController()
  let code = 0
  const dispose = (): void => {
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onTerminate)
  }
  const stop = (number: number): void => {
    code = 128 + number
    dispose()
    controller.abort()
  }
  const onInterrupt = (): void => stop(2)
  const onTerminate = (): void => stop(15)
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onTerminate)
  return {
    signal: controller.signal,
    get code() {
      return code
    },
    dispose,
  }
}
