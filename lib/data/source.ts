import type { Batch } from './batch.js'
import type { Schema } from './schema.js'

/** Where a source stands: plain JSON, opaque to everyone but the source that made it. Saved in checkpoints. */
export type Position = { [key: string]: number | string }

/** How to cut a split into batches. */
export interface BatchOptions {
  /** Examples per batch; the last of an epoch may be smaller. */
  batchSize: number
  /** Epoch number from 0; with `seed` decides the order, so that a run can be repeated and resumed bitwise. */
  epoch?: number
  seed?: number
  /** Shuffle within the epoch (default false). */
  shuffle?: boolean
  /** Continue from a `next` that this source yielded in the same epoch with the same options. */
  from?: Position
}

/** A batch and where the source stands behind it. */
export interface Located {
  batch: Batch
  /** The position after this batch. */
  next: Position
}

/** One split of a data set: can be read again and again. */
export interface DataSource {
  readonly name: string
  /** Examples, when known without reading everything. */
  readonly size?: number
  /** About how many examples, when `size` is unknown: for progress bars. */
  readonly estimatedSize?: number
  /** Malformed rows skipped so far in the latest pass (only sources that read text). */
  readonly skipped?: number
  /** The same, by reason. */
  readonly skippedBy?: Readonly<Record<string, number>>
  /** One pass over the split. Errors while reading: `ERR_IO`, `ERR_DATA`. */
  batches(options: BatchOptions): AsyncIterable<Located>
}

/** What `model.fit` takes. */
export interface DataSet {
  readonly schema: Schema
  readonly train: DataSource
  readonly valid?: DataSource
  readonly test?: DataSource
  /** Ends worker threads and closes files. */
  close(): Promise<void>
}
