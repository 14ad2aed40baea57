/** Every model of the package, one line each: what is exported here has a `kind` for files and `--model`. */
export { DLRM } from './dlrm.js'
