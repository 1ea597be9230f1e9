// What the programs beside this have in common: each is built with it.
package main

import (
	"fmt"
	"os"
	"time"
)

const patience = 60 * time.Second

// The broker's address.
var broker = os.Args[1]

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func require(holds bool, format string, args ...any) {
	if !holds {
		panic(fmt.Sprintf(format, args...))
	}
}
