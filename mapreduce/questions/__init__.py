"""Questions about the fields of a line: functions of fields, and conditions on them."""
