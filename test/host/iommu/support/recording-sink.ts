import type { InvalidationSink, UnitInterrupts } from '../../../../host/iommu/invalidation-sink.js';

/** Caches that do nothing but write down what they are told, and take the time that a test gives them. */
export class RecordingSink implements InvalidationSink {
  readonly calls: string[] = [];
  costNs = 100;
  /** Devices that do not answer a device-TLB invalidation. */
  readonly silent = new Set<number>();

  invalidateContexts(
    granularity: string,
    domainId: number,
    requesterId: number,
    functionMask: number,
  ): number {
    this.calls.push(`context ${granularity} ${domainId} ${requesterId.toString(16)} ${functionMask}`);
    return this.costNs;
  }

  invalidateIotlb(
    granularity: string,
    domainId: number,
    first: number,
    pages: number,
    leafOnly: boolean,
  ): number {
    const keep = leafOnly ? 'leaf' : 'all';
    this.calls.push(`iotlb ${granularity} ${domainId} ${(first * 4096).toString(16)} ${pages} ${keep}`);
    return this.costNs;
  }

  invalidateDeviceTlb(requesterId: number, address: number, pages: number): number {
    this.calls.push(`device ${requesterId.toString(16)} ${address.toString(16)} ${pages}`);
    return this.silent.has(requesterId) ? -1 : this.costNs;
  }

  take(): string[] {
    return this.calls.splice(0);
  }
}

/** Interrupts that a unit has raised. */
export class RecordingInterrupts implements UnitInterrupts {
  readonly raised: string[] = [];

  raise(source: string, address: number, data: number): void {
    this.raised.push(`${source} ${address.toString(16)} ${data}`);
  }

  take(): string[] {
    return this.raised.splice(0);
  }
}
