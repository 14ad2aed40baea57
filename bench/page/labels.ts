/** Places of labels beside their marks, none over another. */
export interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

const DISTANCE = 8

export class Labels {
  readonly #taken: Box[] = []

  constructor(readonly bounds: Box) {}

  /** Keeps a mark free. */
  block(x: number, y: number, radius: number): void {
    this.reserve({ left: x - radius, top: y - radius, right: x + radius, bottom: y + radius })
  }

  reserve(box: Box): void {
    this.#taken.push(box)
  }

  /** A free place for a text of this size close to a mark: beside it, above or below; else none. */
  place(x: number, y: number, width: number, height: number): Box | undefined {
    const box = (left: number, top: number): Box => ({ left, top, right: left + width, bottom: top + height })
    const middle = y - height / 2
    const candidates = [0, 8, 16].flatMap(off => [
      box(x + DISTANCE, middle - off),
      box(x - DISTANCE - width, middle - off),
      box(x + DISTANCE, middle + off),
      box(x - DISTANCE - width, middle + off),
      box(x - width / 2, y - DISTANCE - height - off / 2),
      box(x - width / 2, y + DISTANCE + off / 2),
    ])
    const free = candidates.find(candidate => this.#fits(candidate))
    if (free) this.#taken.push(free)
    return free
  }

  #fits({ left, top, right, bottom }: Box): boolean {
    const { bounds } = this
    if (left < bounds.left || right > bounds.right || top < bounds.top || bottom > bounds.bottom) return false
    return this.#taken.every(own => own.right < left || own.left > right || own.bottom < top || own.top > bottom)
  }
}
