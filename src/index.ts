/**
 * One-way replication of Consul's key/value store between datacenters, as Effect services.
 *
 * @since 0.1.0
 */
export * as Address from "./Address.js"
export * as Checkpoint from "./Checkpoint.js"
export * as ConsulError from "./ConsulError.js"
export * as ConsulHttp from "./ConsulHttp.js"
export * as DeleteLimit from "./DeleteLimit.js"
export * as InvalidOptions from "./InvalidOptions.js"
export * as KeyRange from "./KeyRange.js"
export * as KeyValue from "./KeyValue.js"
export * as LeaderLock from "./LeaderLock.js"
export * as Operation from "./Operation.js"
export * as Replication from "./Replication.js"
export * as ReplicationEvent from "./ReplicationEvent.js"
export * as Replications from "./Replications.js"
export * as Replicator from "./Replicator.js"
export * as Value from "./Value.js"
export { version } from "./Version.js"
export * as Watcher from "./Watcher.js"
