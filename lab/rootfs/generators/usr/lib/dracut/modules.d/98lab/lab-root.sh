#!/bin/sh
if [ "$root" = lab ]; then rootok=1; fi
