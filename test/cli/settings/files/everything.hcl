# All keys of a configuration of 0.4.0.
consul {
  auth {
    enabled  = true
    username = "test"
    password = "test"
  }
  address = "127.0.0.1:8500"
  token   = "abcd1234"
  retry {
    enabled     = true
    attempts    = 12
    backoff     = "250ms"
    max_backoff = "1m"
  }
  ssl {
    enabled     = true
    verify      = false
    cert        = "/path/to/client/cert"
    key         = "/path/to/client/key"
    ca_cert     = "/path/to/ca"
    ca_path     = "path/to/certs/"
    server_name = "my-server.com"
  }
  transport { dial_timeout = "30s" }
}
exclude { source = "my-key" }
kill_signal = "SIGINT"
log_level   = "warn"
max_stale   = "10m"
pid_file    = "/path/to/pid"
prefix {
  source      = "global"
  datacenter  = "nyc1"
  destination = "default"
}
reload_signal = "SIGHUP"
status_dir    = "service/consul-replicate/statuses"
syslog {
  enabled  = true
  facility = "LOCAL5"
}
wait {
  min = "5s"
  max = "10s"
}
