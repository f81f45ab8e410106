namespace SetNsLastPid.Tests.Properties

open System.Text
open SetNsLastPid

/// What writing to ns_last_pid does, once more and built differently: one rule after the other on a string with big
/// numbers. Each rule is one that the kernel was seen to follow.
[<RequireQualifiedAccess>]
module ReferenceText =
    let private isWhite c = Seq.contains c " \t\n\011\012\r\160"

    let private valueOf (digits: string) (radix: int) =
        (0I, digits)
        ||> Seq.fold (fun value c ->
            value * bigint radix
            + bigint ("0123456789abcdef".IndexOf(System.Char.ToLowerInvariant c)))

    let private takeDigits (radix: int) (text: string) =
        let known = "0123456789abcdef".Substring(0, radix)

        text
        |> Seq.takeWhile (fun c -> known.Contains(System.Char.ToLowerInvariant c))
        |> Seq.toArray
        |> System.String

    // The sign and the prefix are given; what is left of the token is looked at.
    let private numeral (token: string) =
        let sign = if token.Length > 1 && token.StartsWith '-' then "-" else ""
        let body = token.Substring sign.Length

        if body = "" || not (System.Char.IsAsciiDigit body[0]) then
            None
        else
            let hex = takeDigits 16 (if body.Length > 2 then body.Substring 2 else "")

            let prefix, radix, digits =
                if (body.StartsWith "0x" || body.StartsWith "0X") && hex <> "" then
                    body.Substring(0, 2), 16, hex
                elif body[0] = '0' then
                    "", 8, takeDigits 8 body
                else
                    "", 10, takeDigits 10 body

            let value = valueOf digits radix

            if value >= bigint.Pow(2I, 64) then
                None
            else
                Some((if sign = "-" then -value else value), sign + prefix + digits)

    /// One write of `bytes` at `offset`.
    let write (kernel: KernelRules) (mayWrite: bool) (pidMax: int) (offset: int64) (bytes: byte[]) : LastPidWrite =
        let text = Encoding.Latin1.GetString bytes
        let invalid = LastPidWrite.Refused Errno.EINVAL

        let mebibytes = Map.find kernel.PageSize (Map [ 4096, 4; 16384, 32; 65536, 512 ])

        if text.Length >= mebibytes * 1024 * 1024 then
            LastPidWrite.Refused Errno.ENOMEM
        elif not mayWrite then
            LastPidWrite.Refused Errno.EPERM
        elif text = "" then
            LastPidWrite.Ignored 0
        elif kernel.WritesStrictly && offset <> 0L then
            LastPidWrite.Ignored text.Length
        else
            let seen = text.Substring(0, min (kernel.PageSize - 1) text.Length)
            let rest = seen |> Seq.skipWhile isWhite |> Seq.toArray |> System.String
            let token = rest.Substring(0, min 21 rest.Length)

            match numeral token with
            | None -> invalid
            | Some(_, shown) when shown.Length = 21 -> invalid
            | Some(value, shown) ->
                let after = rest.Substring shown.Length

                if after <> "" && not (" \t\n".Contains after[0]) then
                    invalid
                elif value < 0I || value > bigint pidMax then
                    invalid
                else
                    let left = after |> Seq.skipWhile isWhite |> Seq.length
                    LastPidWrite.Stored(int value, text.Length - left)
