/**
 * A self-signed certificate for 127.0.0.1 that was valid on the first of January 2020, with its key. Consul's own command cannot
 * make an expired certificate.
 */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBUjCB+aADAgECAgEBMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMMB2V4cGlyZWQw
HhcNMjAwMTAxMDAwMDAwWhcNMjAwMTAyMDAwMDAwWjASMRAwDgYDVQQDDAdleHBp
cmVkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECnLN52ycGTZRMSvLJwHCpL32
UNoKmrCNgGDWXgb9MweH9l8mWyDw/3M29pfBiqS1O3C2KklPqK7eUcAE9N6ra6NA
MD4wDwYDVR0RBAgwBocEfwAAATAMBgNVHRMEBTADAQH/MB0GA1UdDgQWBBQDELoq
g9PU/mm0ua9il8FOdtKnTzAKBggqhkjOPQQDAgNIADBFAiEAsOrl4KmM5b1Z0xbT
gG/BfEUq0UYoWCZNsiDEn+NwnucCIF5FoZTeoHDUJkW3FZiuHZNdWRtMgVn2Zbso
i2eq2BN6
-----END CERTIFICATE-----
`

/** The key protects nothing. */
export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzSN9F8PsRvwBJfl/
lKvgVE9j9y+g8aIHvhwTi3hGfC6hRANCAAQKcs3nbJwZNlExK8snAcKkvfZQ2gqa
sI2AYNZeBv0zB4f2XyZbIPD/czb2l8GKpLU7cLYqSU+ort5RwAT03qtr
-----END PRIVATE KEY-----
`
