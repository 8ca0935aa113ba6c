-- wrk -s load.lua URL -- BODIES PATH AUTHORIZATION
-- Sends the bodies of a file (one a line), one after the other, over and over; prints the summary as JSON on the last line.

local requests, turn = {}, 0

function init(args)
   local headers = { ["Content-Type"] = "application/json", ["Authorization"] = args[3], ["Host"] = wrk.headers["Host"] }
   for body in io.lines(args[1]) do
      requests[#requests + 1] = wrk.format("POST", args[2], headers, body)
   end
end

function request()
   turn = turn % #requests + 1
   return requests[turn]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, "refused": %d, "failed": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      latency.max / 1e3, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
