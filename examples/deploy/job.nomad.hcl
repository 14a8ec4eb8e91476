# nomad job run job.nomad.hcl
job "web" {
  type = "service"

  group "web" {
    count = 2

    network {
      port "http" {
        to = 8080
      }
      port "supervise" {
        to = 9001
      }
    }

    # supervise restarts programs. When it leaves by itself (essential=, exit_on=) Nomad starts the task again, three times
    # in five minutes, then on another client. With type = "batch" exit code 0 is the end, be it that of an essential
    # program, and anything else is tried again.
    restart {
      attempts = 3
      interval = "5m"
      delay    = "10s"
      mode     = "fail"
    }

    # A deployment goes on when /ready has been 200 for so long.
    update {
      max_parallel     = 1
      health_check     = "checks"
      min_healthy_time = "10s"
      healthy_deadline = "2m"
      auto_revert      = true
    }

    task "web" {
      driver = "docker"

      config {
        image = "web:latest"
        ports = ["http", "supervise"]
      }

      env {
        SHUTDOWN_TIMEOUT = "20"
      }

      service {
        name     = "web"
        port     = "http"
        provider = "nomad"

        check {
          name     = "ready"
          type     = "http"
          port     = "supervise"
          path     = "/ready"
          interval = "5s"
          timeout  = "2s"
        }
      }

      service {
        name     = "web-supervise"
        port     = "supervise"
        provider = "nomad"

        check {
          name     = "health"
          type     = "http"
          path     = "/health"
          interval = "10s"
          timeout  = "3s"

          # A program is FATAL, or supervise does not answer.
          check_restart {
            limit = 3
            grace = "30s"
          }
        }
      }

      # Becomes the environment of the task and nothing else: nomad var put nomad/jobs/web supervise_password=...
      template {
        destination = "${NOMAD_SECRETS_DIR}/supervise.env"
        env         = true
        data        = <<EOT
{{ with nomadVar "nomad/jobs/web" }}SUPERVISE_PASSWORD={{ .supervise_password }}{{ end }}
EOT
      }

      # After the service is taken from the catalogue, before TERM.
      shutdown_delay = "5s"
      kill_signal    = "SIGTERM"
      # Above SHUTDOWN_TIMEOUT. The client's max_kill_timeout, 30 s by default, is the limit.
      kill_timeout   = "25s"

      resources {
        cpu    = 100
        memory = 128
      }
    }
  }
}
