-- wrk's users wait between an answer and their next request, as PAUSE of load.py says.
function delay()
   return 50 -- milliseconds
end
