/**
 * Whether a name of a discipline or an approach is the path of a module: it starts with a dot or a slash, or is an absolute
 * path of Windows. Names of the catalogues never do.
 */
export function isModulePath(name: string): boolean {
  return MODULE_PATH.test(name);
}

/** The same for JSON Schema. */
export const MODULE_PATH = /^(\.{1,2}[\\/]|\/|[A-Za-z]:[\\/])/u;
