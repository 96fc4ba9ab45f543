/** Packages that a bundle loads from where they are installed. */
export const EXTERNAL_PACKAGES: string[];

interface Source {
  /** Folder of the modules: the sources, or what they were compiled to. */
  readonly from: string;
  /** Extension of the modules in it. */
  readonly extension: 'ts' | 'js';
  /** Name of the command line's file in the bundle, without its extension. */
  readonly program: string;
  /** A module of which all that it imports is one chunk: a path without its extension. None if it is left out. */
  readonly core?: string;
}

/** Bundles into a folder, in which nothing else is left. */
export function bundle(options: Source & { readonly out: string }): Promise<void>;

/** Bundles into a folder of the cache that is named after what is in it, and returns that folder. */
export function bundleInCache(options: Source & { readonly cache: string }): Promise<string>;
