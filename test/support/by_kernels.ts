/** A DLRM trained by calling one kernel after the other, without graph or program: what `kernels` must be good for. */
import type { Batch } from '../../lib/data/batch.js'
import * as kernels from '../../lib/kernels.js'
import { Adagrad } from '../../lib/optim/adagrad.js'
import { optimizerFromJSON } from '../../lib/optim/from_json.js'
import type { Optimizer } from '../../lib/optim/optimizer.js'
import type { GoldenConfig, Tensor } from './golden.js'

interface Layer extends kernels.MlpLayer {
  state: { weight: Float32Array[]; bias: Float32Array[] }
}

interface Table {
  weight: Float32Array
  state: Float32Array[]
  rowWeights?: Float32Array
  rowState: Float32Array[]
}

export class ByKernels {
  readonly #config: GoldenConfig
  readonly #options: kernels.KernelOptions
  readonly #tableRule: Optimizer
  readonly #denseRule: Optimizer
  readonly #bottom: Layer[]
  readonly #top: Layer[]
  readonly #tables: Table[]
  #step = 0

  constructor(config: GoldenConfig, initial: Map<string, Tensor>, options: kernels.KernelOptions) {
    this.#config = config
    this.#options = options
    this.#tableRule = optimizerFromJSON({ ...config.optimizer, weightDecay: 0 })
    // Dense parameters have no rows to share a sum.
    this.#denseRule =
      config.optimizer.rule === 'rowwise_adagrad'
        ? new Adagrad(config.optimizer as ConstructorParameters<typeof Adagrad>[0])
        : optimizerFromJSON(config.optimizer)
    const copy = (name: string) => initial.get(name)?.data.slice()
    this.#bottom = this.#layers('bot_l', copy)
    this.#top = this.#layers('top_l', copy)
    this.#tables = config.tables.map((rows, t) => {
      const weight = copy(`emb_l.${t}.weight`)!
      const rowWeights = config.weightedPooling ? copy(`v_W_l.${t}`)! : undefined
      const stateSize = config.optimizer.rule === 'rowwise_adagrad' ? rows : weight.length
      return { weight, rowWeights, state: this.#state(stateSize, true), rowState: this.#state(rows, true) }
    })
  }

  #layers(prefix: string, copy: (name: string) => Float32Array | undefined): Layer[] {
    const layers: Layer[] = []
    for (let i = 0, weight = copy(`${prefix}.0.weight`); weight; i += 2, weight = copy(`${prefix}.${i}.weight`)) {
      const bias = copy(`${prefix}.${i}.bias`)!
      layers.push({ weight, bias, state: { weight: this.#state(weight.length), bias: this.#state(bias.length) } })
    }
    return layers
  }

  /** What the rule keeps of `size` numbers before the first step. */
  #state(size: number, table = false): Float32Array[] {
    const { rule, momentum = 0, initialAccumulator = 0 } = this.#config.optimizer
    const filled = (value: number) => new Float32Array(size).fill(value)
    if (rule === 'adam') return [filled(0), filled(0)]
    if (rule === 'sgd') return momentum && !table ? [filled(0)] : []
    return [filled(initialAccumulator as number)]
  }

  #forward(batch: Batch) {
    const { embeddingDim: width, pooling: mode, interaction, interactionItself: itself } = this.#config
    const { size } = batch
    const bottom = { batch: size, x: batch.dense!, layers: this.#bottom }
    const x = kernels.mlp(bottom, this.#options).out
    const tables = this.#tables.map((table, t) => ({ ...table, ...batch.tables[t]! }))
    const bags = { tables, width, mode }
    const { out: e, positions } = kernels.embeddingBag(bags, this.#options)
    const pairs = { batch: size, width, x, e, itself }
    const z =
      interaction === 'dot'
        ? kernels.interactionDot(pairs, this.#options).out
        : kernels.concat({ batch: size, inputs: [x, e] }, this.#options).out
    const top = { batch: size, x: z, layers: this.#top, last: 'none' as const }
    return { bottom, bags, positions, pairs, top, logits: kernels.mlp(top, this.#options).out }
  }

  /** The loss of `logits` and its gradient by them. */
  #loss(logits: Float32Array, labels: Float32Array) {
    const { loss, lossThreshold: threshold, lossWeights } = this.#config
    if (loss !== 'mse') {
      const args = { logits, labels, threshold, classWeights: loss === 'wbce' ? lossWeights : undefined }
      const { dlogits } = kernels.bceLossBackward(args, this.#options)
      return { loss: kernels.bceLoss(args, this.#options).loss, dlogits }
    }
    const p = kernels.sigmoid({ x: logits, threshold }, this.#options).out
    const { dp } = kernels.mseLossBackward({ p, labels }, this.#options)
    const { dx } = kernels.sigmoidBackward({ x: logits, threshold, dout: dp }, this.#options)
    return { loss: kernels.mseLoss({ p, labels }, this.#options).loss, dlogits: dx }
  }

  /** Before the update: the mean loss. */
  step(batch: Batch): number {
    const { bottom, bags, positions, pairs, top, logits } = this.#forward(batch)
    const { loss, dlogits } = this.#loss(logits, batch.labels!)
    const topGradients = kernels.mlpBackward({ ...top, dout: dlogits }, this.#options)
    const dout = topGradients.dx
    const { batch: size, width } = pairs
    let dx: Float32Array
    let de: Float32Array
    if (this.#config.interaction === 'dot') {
      const gradients = kernels.interactionDotBackward({ ...pairs, dout }, this.#options)
      dx = gradients.dx!
      de = gradients.de
    } else {
      const widths = [width, bags.tables.length * width]
      const { dinputs } = kernels.concatBackward({ batch: size, widths, dout }, this.#options)
      dx = dinputs[0]!
      de = dinputs[1]!
    }
    const bottomGradients = kernels.mlpBackward({ ...bottom, dout: dx }, this.#options)
    this.#step++
    this.#updateTables(bags, de, positions)
    this.#updateLayers(this.#top, topGradients.layers)
    this.#updateLayers(this.#bottom, bottomGradients.layers)
    return loss
  }

  #updateTables(bags: kernels.EmbeddingBagArguments, dout: Float32Array, positions?: Int32Array): void {
    const rule = { optimizer: this.#tableRule, step: this.#step }
    const learned = this.#config.weightedPooling === 'learned'
    const factors = learned ? kernels.embeddingBagBackward({ ...bags, dout }, this.#options).dlookup : undefined
    kernels.embeddingUpdate({ ...bags, ...rule, dout, positions }, this.#options)
    if (!factors) return
    const tables = bags.tables.map(({ offsets, indices }, t) => {
      return { offsets, indices, weight: this.#tables[t]!.rowWeights!, state: this.#tables[t]!.rowState }
    })
    const all = Float32Array.from(factors.flatMap(one => [...one]))
    kernels.embeddingUpdate({ ...rule, tables, width: 1, perLookup: true, dout: all }, this.#options)
  }

  #updateLayers(layers: Layer[], gradients: { dweight: Float32Array; dbias?: Float32Array }[]): void {
    const tensors = layers.flatMap(({ weight, bias, state }, l) => [
      { w: weight, g: gradients[l]!.dweight, state: state.weight },
      { w: bias!, g: gradients[l]!.dbias!, state: state.bias },
    ])
    kernels.denseUpdate({ tensors, optimizer: this.#denseRule, step: this.#step }, this.#options)
  }

  predict(batch: Batch): Float32Array {
    const { logits } = this.#forward(batch)
    return kernels.sigmoid({ x: logits, threshold: this.#config.lossThreshold }, this.#options).out
  }

  /** A parameter by its name in the reference's state_dict. */
  parameter(name: string): Float32Array {
    const [prefix, index, field] = name.split('.') as [string, string, 'weight' | 'bias']
    if (prefix === 'emb_l') return this.#tables[Number(index)]!.weight
    if (prefix === 'v_W_l') return this.#tables[Number(index)]!.rowWeights!
    return (prefix === 'bot_l' ? this.#bottom : this.#top)[Number(index) / 2]![field]!
  }
}
