"""What is measured of attention: functions of arrays, one concept a file."""
