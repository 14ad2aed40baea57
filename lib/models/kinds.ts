import type { LoadOptions } from './define.js'
import * as models from './index.js'
import type { Model } from './model.js'
import type { Loadable } from './storage.js'

/** The classes of this package's models, by kind. */
export const modelKinds: ReadonlyMap<string, Loadable<Model>> = new Map(
  Object.values(models as { [name: string]: Loadable<Model> }).map(model => [model.kind, model]),
)

/**
 * Reads a model of any kind of this package that `save` wrote. For a model of your own: `YourModel.load(path)`.
 * Errors: `ERR_IO`, `ERR_FORMAT`.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  const { loadAnyModel } = await import('./storage.js')
  return loadAnyModel(path, modelKinds, options)
}
