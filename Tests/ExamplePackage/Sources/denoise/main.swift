import RephaseDriver

RephaseDriver.main(DenoisingNet())
