-- What wrk asks: wrk -s wrk.lua URL -- PAGE FILE, with a cookie of each visitor in a line of the file.
--
-- Visitors come one after the other, so one session is never in two requests at a time. Who logs in does so with the cookie
-- that somebody has got by logging in before, or without one as long as there is none. At the end one line of JSON.

local page, requests, place = "", {}, 0

local function ask(cookie)
  return wrk.format(page == "write" and "POST" or page == "login" and "POST" or "GET", "/" .. page, { Cookie = cookie })
end

function init(args)
  page = args[1]
  if page == "login" then
    function response(_, headers)
      local cookie = headers["Set-Cookie"]
      if cookie then requests[#requests + 1] = ask(cookie:match("^[^;]+")) end
    end
  else
    for cookie in io.lines(args[2]) do requests[#requests + 1] = ask(cookie) end
  end
end

function request()
  if page == "login" then return table.remove(requests) or ask(nil) end
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"errors":%d,"p50Us":%d,"p99Us":%d}\n',
    summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
