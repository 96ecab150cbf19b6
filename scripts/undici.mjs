// What the command uses of undici. The whole has fetch, WebSocket, caches and mocks: a fifth of the bundled file, and a tenth of the
// CPU of a start.

export { default as buildConnector } from "undici/lib/core/connect.js"
export { default as Agent } from "undici/lib/dispatcher/agent.js"
export { default as ProxyAgent } from "undici/lib/dispatcher/proxy-agent.js"
