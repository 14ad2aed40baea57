/** How a graph ends: what it predicts, and the loss that training minimises. */
import type { GraphBuilder, Value } from './builder.js'
import { bceLoss, mseLoss, sigmoid } from './ops.js'

/** Click probabilities 1 / (1 + exp(-logits)) and their mean binary cross entropy: `logits [B, 1]`. */
export function clicks(g: GraphBuilder, logits: Value): { loss: Value; prediction: Value } {
  return { prediction: sigmoid(g, 'probability', logits), loss: bceLoss(g, 'loss', logits, g.labels) }
}

/** Numbers as they are, such as ratings, and their mean squared error: `predictions [B, 1]`. */
export function numbers(g: GraphBuilder, predictions: Value): { loss: Value; prediction: Value; predicts: 'number' } {
  return { predicts: 'number', prediction: predictions, loss: mseLoss(g, 'loss', predictions, g.labels) }
}
