import RephaseDriver

RephaseDriver.main()
