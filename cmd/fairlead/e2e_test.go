package main_test

import (
	"os"
	"testing"

	"github.com/fairlead/fairlead/tools/lab"
)

func TestMain(m *testing.M) {
	code := m.Run()
	lab.RemoveBinary()
	os.Exit(code)
}
