// The values of `format` that are enforced, as regular expressions over the whole string.
//
// Each is a subset of what the RFC allows, chosen so that every validator accepts it: RFC 3339 for dates and times (February
// 29 in leap years only, no leap seconds), RFC 4122 for uuid, dot-atoms of RFC 5321 for email, RFC 1123 for host names.

enum StringFormat {
    private static let date = "([1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
        + "|02-(0[1-9]|1[0-9]|2[0-8]))|([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29)"
    private static let time = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    private static let octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    private static let label = "[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?"
    private static let hostname = "\(label)(\\.\(label)){0,6}"

    static let patterns: [String: String] = [
        "date": date,
        "time": time,
        "date-time": "\(date)T\(time)",
        "uuid": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
        "email": "[A-Za-z0-9]{1,20}([._+-][A-Za-z0-9]{1,20}){0,2}@\(label)(\\.\(label)){0,3}\\.[A-Za-z]{2,10}",
        "ipv4": "\(octet)(\\.\(octet)){3}",
        "hostname": hostname,
        "uri": "https?://\(hostname)(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~!$&'()*+,;=:@-]*)*(\\?[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?",
    ]
}
