/** Writes protocol buffers: as much of the encoding as an ONNX file needs. */

/** One field of a message. */
export type Field = Buffer[]

function varint(value: number | bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt(value)
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Buffer.from([...bytes, Number(rest)])
}

/** A whole number, at least 0. */
export const integer = (field: number, value: number): Field => [varint(field << 3), varint(value)]

/** Bytes, text, or a message of fields. */
export function message(field: number, content: Buffer | string | Field[]): Field {
  const parts = Array.isArray(content) ? content.flat() : [Buffer.from(content as string)]
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return [varint((field << 3) | 2), varint(length), ...parts]
}
