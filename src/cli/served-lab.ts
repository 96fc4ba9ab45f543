import type { ServedSession } from '../live/lab/served-session.js';
import { LabEndpoint } from '../live/server/lab-endpoint.js';
import { LabServer } from './lab-server.js';

/** Where the page is served. */
export interface ServedLabOptions {
  /** On loopback, 0 for any that is free. */
  readonly port: number;
  /** Of the built page. */
  readonly folder: string;
  /** Told of what breaks while a page is served: something of ours. */
  readonly failed: (error: unknown) => void;
}

/** The page of the lab beside a session with real guests, and the way from one to the other. */
export class ServedLab {
  readonly #endpoint: LabEndpoint;
  readonly #server: LabServer;
  readonly #port: number;

  constructor(served: ServedSession, { port, folder, failed }: ServedLabOptions) {
    this.#port = port;
    this.#endpoint = new LabEndpoint(served, failed);
    this.#server = new LabServer(folder, (...given) => this.#endpoint.upgrade(...given));
  }

  /** Serves. Returns the address for the browser, with the token behind #, where no request carries it. @throws UserError */
  async listen(): Promise<string> {
    return `${await this.#server.listen(this.#port)}#serve=${this.#endpoint.token}`;
  }

  /** Pages that watch now. */
  get pages(): number {
    return this.#endpoint.pages;
  }

  async close(): Promise<void> {
    this.#endpoint.close();
    await this.#server.close();
  }
}
