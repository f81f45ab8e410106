#!/usr/bin/jq -nRrf
# Lines of a host and what `nslp preflight --json` said there: which hosts can take the checkpoint, and why the others cannot.
[inputs | capture("^(?<host>[^ ]*) *(?<answer>.*)") | {host} + (.answer | fromjson? // {})]
| sort_by(.ok != true, .host)[]
| .host + ": " +
  if .ok then "can"
  elif .in_the_way then [.in_the_way[] | "\(.pid) \(.why)" + if .holder then " by \(.holder.command_line)" else "" end] | join(", ")
  else .error.message // "no answer"
  end
