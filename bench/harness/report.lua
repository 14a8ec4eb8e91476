-- wrk prints its errors only when there are some: this writes every count, one line of JSON to $BENCH_WRK_OUT.
done = function(summary, latency, requests)
   local e = summary.errors
   local file = io.open(os.getenv("BENCH_WRK_OUT"), "w")
   file:write(string.format(
      '{"requests": %d, "duration_us": %d, "connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d, "p50_us": %d, "p99_us": %d, "max_us": %d}\n',
      summary.requests, summary.duration, e.connect, e.read, e.write, e.status, e.timeout,
      latency:percentile(50), latency:percentile(99), latency.max))
   file:close()
end
