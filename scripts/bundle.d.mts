/** Packages that a bundle loads from where they are installed. */
export const EXTERNAL_PACKAGES: string[];

export interface BundleOptions {
  /** Folder of the modules: the sources, or what they were compiled to. */
  readonly from: string;
  /** Extension of the modules in it. */
  readonly extension: 'ts' | 'js';
  /** Folder of the bundle. */
  readonly out: string;
  /** Name of the command line's file in it, without its extension. */
  readonly program: string;
}

/** Bundles the command line and what its threads run. */
export function bundle(options: BundleOptions): Promise<void>;
