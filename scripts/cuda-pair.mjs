// Whether an addon opens the CUDA plugin beside it: it is found there, loads on this machine, and is of the same version. A
// machine without a GPU can tell.
import { spawnSync } from 'node:child_process'

/** What is wrong, or undefined. */
export function pairProblem(addon) {
  const { DLRM_CUDA_PLUGIN, ...env } = process.env
  const code = `console.log(JSON.stringify(require(${JSON.stringify(addon)}).cuda()))`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', code], { env, encoding: 'utf8' })
  if (status !== 0) return `${addon} does not load here: ${stderr}`
  const { reason, plugin } = JSON.parse(stdout)
  // Only the reasons why a plugin cannot be opened name its file; those of an opened one speak of driver and GPU.
  return reason?.includes(plugin) ? reason : undefined
}
