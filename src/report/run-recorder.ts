import type { Subscription } from 'rxjs';
import type { OutputFile } from './output-file.js';

/** What a recorder writes to: a file that appears when it is whole. */
interface RecordWriter {
  readonly file: OutputFile;
  close(): void;
  seal(): void;
  abort(): void;
}

/** Records a run into a file, from subscriptions to the streams of a machine. */
export abstract class RunRecorder<Writer extends RecordWriter> {
  protected readonly writer: Writer;
  protected readonly subscriptions: Subscription[] = [];

  constructor(writer: Writer) {
    this.writer = writer;
  }

  /** The run is over: nothing more is recorded. */
  finish(): void {
    for (const subscription of this.subscriptions.splice(0)) subscription.unsubscribe();
  }

  /** Completes the file and puts it in its place. @throws OutputFileError */
  close(): void {
    this.writer.close();
  }

  /** Completes the file, not yet in its place. @throws OutputFileError */
  seal(): void {
    this.writer.seal();
  }

  /** The file that it writes. */
  get file(): OutputFile {
    return this.writer.file;
  }

  /** Stops recording and leaves no file. */
  abort(): void {
    for (const subscription of this.subscriptions.splice(0)) subscription.unsubscribe();
    this.writer.abort();
  }
}
