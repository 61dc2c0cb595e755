"""What a method works on: one suite loaded onto one device."""
